"""Layers that measure images, with their exact adjoint, and what reconstruction is made of."""

from lamina.imaging._coil_sense import CoilSense
from lamina.imaging._data_consistency import DataConsistency
from lamina.imaging._dicom_window import DicomWindow
from lamina.imaging._displacement_field import DisplacementField
from lamina.imaging._filtered_backprojection import FilteredBackprojection
from lamina.imaging._fourier2d import Fourier2D
from lamina.imaging._nufft import NUFFT
from lamina.imaging._operator import Adjoint, MeasurementOperator
from lamina.imaging._radon import Radon
from lamina.imaging._resample import Resample
from lamina.imaging._rescale import Rescale
from lamina.imaging._soft_threshold import SoftThreshold
from lamina.imaging._total_variation import TotalVariation
from lamina.imaging._undersample import Undersample
from lamina.imaging._wavelet import Wavelet

__all__ = [
    "NUFFT",
    "Adjoint",
    "CoilSense",
    "DataConsistency",
    "DicomWindow",
    "DisplacementField",
    "FilteredBackprojection",
    "Fourier2D",
    "MeasurementOperator",
    "Radon",
    "Resample",
    "Rescale",
    "SoftThreshold",
    "TotalVariation",
    "Undersample",
    "Wavelet",
]

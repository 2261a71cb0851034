"""Layers that measure images, with their exact adjoint, and what reconstruction is made of."""

from lamina.imaging._coil_sense import CoilSense
from lamina.imaging._data_consistency import DataConsistency
from lamina.imaging._dicom_window import DicomWindow
from lamina.imaging._fourier2d import Fourier2D
from lamina.imaging._operator import Adjoint, MeasurementOperator
from lamina.imaging._rescale import Rescale
from lamina.imaging._soft_threshold import SoftThreshold
from lamina.imaging._undersample import Undersample

__all__ = [
    "Adjoint",
    "CoilSense",
    "DataConsistency",
    "DicomWindow",
    "Fourier2D",
    "MeasurementOperator",
    "Rescale",
    "SoftThreshold",
    "Undersample",
]

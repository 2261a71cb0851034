"""The networks are the best of their tables; their models are saved, loaded and exported."""

import keras
import numpy as np
import pytest

from examples import sparse_view_ct, unrolled_mri
from tests.test_exports import run_savedmodel

pytestmark = pytest.mark.long


@pytest.mark.filterwarnings("ignore")  # matplotlib's, and the exporter's
def test_unrolled_mri(tmp_path):
    rows, model, inputs = unrolled_mri.main(out=tmp_path)
    others = [row["psnr"] for name, row in rows.items() if name != "unrolled"]
    assert rows["unrolled"]["psnr"] > max(others)
    assert (tmp_path / "unrolled_mri.png").exists()
    held(model, [x[:2] for x in inputs], tmp_path / "unrolled_mri.keras", tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_sparse_view_ct(tmp_path):
    rows, model, unseen = sparse_view_ct.main(out=tmp_path)
    backprojected, learned = rows.values()
    for subject in unseen:
        assert learned[f"{subject} PSNR"] > backprojected[f"{subject} PSNR"]
    assert (tmp_path / "sparse_view_ct.png").exists()
    sinogram, _ = unseen["CT slice"]
    held(model, sinogram, tmp_path / "sparse_view_ct.keras", tmp_path)


def held(model, inputs, saved, folder):
    """The saved model, and the exported one, give what the model gives."""
    expected = model.predict(inputs, verbose=0)
    again = keras.saving.load_model(saved)
    np.testing.assert_allclose(again.predict(inputs, verbose=0), expected, atol=1e-5)
    if keras.backend.backend() == "tensorflow":
        model.export(folder / "exported", format="tf_saved_model", verbose=False)
        (found,) = run_savedmodel(folder / "exported", inputs)
        np.testing.assert_allclose(found, expected, atol=1e-4)

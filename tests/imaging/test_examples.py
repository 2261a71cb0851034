"""The unrolled network is the best of its table; its model is saved, loaded and exported."""

import keras
import numpy as np
import pytest

from examples import unrolled_mri
from tests.test_exports import run_savedmodel

pytestmark = pytest.mark.long


@pytest.mark.filterwarnings("ignore")  # matplotlib's, and the exporter's
def test_unrolled_mri(tmp_path):
    rows, model, inputs = unrolled_mri.main(out=tmp_path)
    others = [row["psnr"] for name, row in rows.items() if name != "unrolled"]
    assert rows["unrolled"]["psnr"] > max(others)
    assert (tmp_path / "unrolled_mri.png").exists()
    few = [x[:2] for x in inputs]
    expected = model.predict(few, verbose=0)
    again = keras.saving.load_model(tmp_path / "unrolled_mri.keras")
    np.testing.assert_allclose(again.predict(few, verbose=0), expected, atol=1e-5)
    if keras.backend.backend() == "tensorflow":
        model.export(tmp_path / "exported", format="tf_saved_model", verbose=False)
        (found,) = run_savedmodel(tmp_path / "exported", few)
        np.testing.assert_allclose(found, expected, atol=1e-4)

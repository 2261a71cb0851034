"""A corpus in a bucket, its results in another: moto's server, on this machine."""

import os

import numpy as np
import pyarrow.parquet as pq
import pytest

from lamina_detect.corpus._plan import Plan
from lamina_detect.corpus._source import Source
from lamina_detect.corpus._store import Store
from tests.detect.corpus_support import contents, detect, make_corpus, make_model
from tests.detect.support import pulses, write_record

pytest.importorskip("s3fs")
moto = pytest.importorskip("moto.server")

pytestmark = pytest.mark.tensorflow  # The store knows no backend: once is enough.
KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def bucket():
    """The address of a bucket; the environment says where its server is."""
    import s3fs

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    before = dict(os.environ)
    os.environ.update(KEYS | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"})
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("corpus")
    yield "s3://corpus"
    server.stop()
    os.environ.clear()
    os.environ.update(before)
    s3fs.S3FileSystem.clear_instance_cache()


def put(folder, url):
    store = Store(url)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder)
        store.fs.put_file(str(path), store.path(str(name)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the server, and of the client's own loop
def test_a_record_is_fetched_with_its_files_and_removed(bucket, tmp_path):
    samples = (pulses(2000)[:, None] * 200).astype(int)
    write_record(tmp_path, samples, "rec", file="other.dat")
    (tmp_path / "rec.dat").rename(tmp_path / "other.dat")
    put(tmp_path, f"{bucket}/records")
    source = Source(f"{bucket}/records")
    (planned,) = source.planned("**/*.hea")
    with source.fetched(planned) as path:
        names = {p.name for p in path.parent.iterdir()}
        assert names == {"rec.hea", "other.dat"}
    assert not path.parent.exists()
    assert source.again(planned) == planned
    source.fs.pipe_file(f"{source.root}/rec.hea", b"rec 1 360 5\n")
    assert source.again(planned) != planned


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("ignore")
def test_from_a_bucket_to_a_bucket(bucket, tmp_path):
    source = make_corpus(tmp_path / "from", 5)
    put(source, f"{bucket}/from")
    model = make_model(tmp_path / "model.keras")
    out = f"{bucket}/out"
    code, said = detect(f"{bucket}/from", out, "--model", model, "--workers", 2)
    assert code == 0, said
    code, said = detect(f"{bucket}/from", out, "--model", model, "--workers", 2)
    assert code == 0 and "5 of 5 recordings" in said
    store = Store(out)
    assert Plan(store).size()[0] == 5 and b"5 recordings" in store.read("index.html")
    assert not store.names(".attempts") and not store.exists(".driver.json")
    store.fs.get(store.path(), str(tmp_path / "copy"), recursive=True)
    plain = tmp_path / "plain"
    assert detect(source, plain, "--model", model, "--workers", 1)[0] == 0
    assert contents(tmp_path / "copy") == contents(plain)
    part = next((tmp_path / "copy/scores").glob("*.parquet"))
    assert np.isfinite(pq.read_table(part)["score"].to_numpy()).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_bucket_that_is_not_there_is_one_sentence(bucket, tmp_path):
    code, said = detect("s3://nothing/here", tmp_path / "out", "--fit-each")
    assert code == 2 and "there is no such folder" in said and "Traceback" not in said
    code, said = detect(tmp_path, "s3://nothing/here", "--fit-each")
    assert code == 2 and "cannot be written" in said and "Traceback" not in said

"""Many recordings: planned once, scored in batches by processes or by Ray, whatever is killed.

    _source, _plan      what there is to do, written down before anything is done
    _worker, _score     a batch of it; _parts, _store: what that leaves
    _local, _process    the engine of one machine; _ray: that of a cluster
    _attempts, _lock    who killed a worker; who else works here
    _page, _pictures    index.html; _report: one recording of it
    _corpus             the job that joins them

Nothing but the worker needs keras.
"""

from lamina_detect.corpus._corpus import Standing, detect_corpus
from lamina_detect.corpus._report import report_recording

__all__ = ["Standing", "detect_corpus", "report_recording"]

"""The main job: from a recording to its anomalies, on the public API of lamina."""

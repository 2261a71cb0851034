"""Runs an exported step on NumPy and LiteRT or ONNX Runtime. Never imports keras or lamina.

stream = lamina_edge.load("step.tflite", batch_size=1)
y = stream.step(sample)
"""

from lamina_edge._stream import EdgeStream, load

__all__ = ["EdgeStream", "load"]

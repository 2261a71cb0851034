"""Runs an exported step on NumPy and LiteRT or ONNX Runtime. Never imports keras or lamina."""

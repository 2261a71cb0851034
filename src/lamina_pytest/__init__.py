"""The pytest plugin. Imports lamina only when a test asks for it."""

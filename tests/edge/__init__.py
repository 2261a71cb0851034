"""lamina_edge: exported steps."""

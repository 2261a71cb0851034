"""How a layer is checked: its copies, its inputs, its backend. Knows no contract."""

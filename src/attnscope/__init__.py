"""An attention microscope for every Transformer."""

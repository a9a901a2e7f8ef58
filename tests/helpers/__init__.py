"""What several tests use: tiny models, processes, a browser, references to compare with."""

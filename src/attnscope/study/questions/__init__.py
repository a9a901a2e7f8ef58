"""The questions of a study. Each goes over the prompts once and gives a `Result`."""

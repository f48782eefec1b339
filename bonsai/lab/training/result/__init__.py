"""What a training run leaves behind: the folder of its adapter, with card and loss curve."""

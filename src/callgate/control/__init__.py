"""The operator's listener: health, metrics and the control API."""

"""The configuration: one typed tree, composed of each part's own settings."""

from callgate.config.loading import load_config
from callgate.config.problems import ConfigError, Problem
from callgate.config.tree import Config

__all__ = ["Config", "ConfigError", "Problem", "load_config"]

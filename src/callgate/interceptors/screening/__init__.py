"""The parts of the injection interceptor: phrases, hidden signs, hidden markup, cleaning."""

"""The parts of the redactor: reading, finding, seeing through encodings, replacing, restoring."""

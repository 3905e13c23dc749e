"""The parts of the exfiltration interceptor: fingerprints, memory of runs, what goes out."""

"""Reports of runs and periods as one HTML file each: no scripts, nothing loaded from elsewhere."""

"""An index beside the record: what calls are found by; derived, and made anew whenever needed."""

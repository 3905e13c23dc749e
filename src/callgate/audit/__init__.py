"""What a call leaves behind and how to prove it unchanged, without I/O."""

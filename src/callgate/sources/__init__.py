"""Where policies come from: files, git, the store; read in a process of their own."""

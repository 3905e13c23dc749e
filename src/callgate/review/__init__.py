"""What a reviewer looks at: runs, where data flowed, findings, what is never used."""

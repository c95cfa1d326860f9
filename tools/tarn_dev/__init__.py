"""What `./dev` does: setup, build, test, check, bench, demo, run, soak. Standard library only."""

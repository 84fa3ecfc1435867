"""The pure heart: what was said, what it covers, what follows. No clock, no settings, no I/O."""

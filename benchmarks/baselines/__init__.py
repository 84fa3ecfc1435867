"""The floors: each the least that the machine must do, made as fast as we can. No heedful here."""

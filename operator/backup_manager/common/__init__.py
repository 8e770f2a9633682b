"""What every layer may use: errors, clock, units, logging. Imports nothing of ours."""

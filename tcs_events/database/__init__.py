"""Using the host's database without harming it: connections, time limits, forks, errors."""

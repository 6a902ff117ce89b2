"""Using the host's database without harming the host: connections, time limits, forks, errors."""

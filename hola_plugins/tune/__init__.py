"""Settings of the three methods, searched under limits on your own data: `hola tune`."""

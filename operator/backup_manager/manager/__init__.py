"""The Python API, the configuration file, and the driver that needs no cluster."""

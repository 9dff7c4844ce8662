"""The Python API, `import lwm`: the commands that train, look and steer, as methods of a training."""

"""`lwm init`: a complete LWMTraining from a few facts.

Reading order: `models`, `accelerators`, `ladder`, `meshes`, `manifest`, `command`.
"""

"""Other people's checkpoints into step folders that a training starts from, and step folders into what others read.

Reading order: `names` (which tensor is which), `config_json`, `hf_read`, `transposed`, `place` (onto a mesh, slice by slice),
`step_folder`, `hf_write`, `msgpack_map`, `lwm_read`, `rotation`, `__main__`.
"""

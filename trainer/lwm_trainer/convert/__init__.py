"""Conversion of Hugging Face and LWM checkpoints to step folders, which a training starts from, and of step folders to Hugging Face.

Reading order: `names` (which parameter is which tensor), `strict_json`, `config_json`, `file_format`, `hf_read`, `transposed`,
`placement` (onto a mesh, slice by slice), `step_folder`, `hf_write`, `tokenizer_files`, `model_card`, `msgpack_map`, `lwm_read`,
`rotation`, `__main__`.
"""

"""A model over HTTP, as clients of OpenAI's API expect it. Reading order:

1. `engine_thread`: the one thread that owns the model, and the requests that wait for it.
2. `chat_request`: the body of a request becomes prompts and settings.
3. `chat_response`: tokens become the answer, whole or as a stream of events.
4. `application`: the routes. 5. `server`: the process around them.
"""

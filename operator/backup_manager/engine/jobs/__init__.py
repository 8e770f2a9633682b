"""One use case a file: a request in, a result out; the wiring of the layers in one place."""

"""The backup engine. It knows nothing of Kubernetes.

Imports go one way: jobs, then sources and targets, processors, keys, repository, storage.
"""

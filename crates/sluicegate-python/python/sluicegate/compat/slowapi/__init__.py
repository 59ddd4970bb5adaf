"""The interface of slowapi, which `sluicegate.slowapi` shows under slowapi's names of modules."""

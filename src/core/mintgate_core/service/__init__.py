"""Thin gRPC servicers over the lanes, the store and the price book."""

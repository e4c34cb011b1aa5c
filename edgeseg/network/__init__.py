"""The network as data: layers, tensors and the order between them."""

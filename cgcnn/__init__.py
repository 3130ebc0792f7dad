"""Crystal graph convolutional neural networks (Xie & Grossman, PRL 120, 145301, 2018), as a reproducible pipeline."""

__version__ = "0.1.0"

"""Fine-tuning of a compressed network by distillation from the uncompressed one."""

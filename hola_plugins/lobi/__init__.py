"""Lo-Bi: LoRA-guided structured pruning, and a bit width for every layer under one byte budget."""

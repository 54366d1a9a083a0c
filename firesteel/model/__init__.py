"""What is computed: DeepSeek-V3's architecture (MLA, fine-grained MoE, multi-token prediction), small and exact."""

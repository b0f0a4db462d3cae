"""The loop that improves the local model by itself: export, train, evaluate, gate, deploy, and watching what is served."""

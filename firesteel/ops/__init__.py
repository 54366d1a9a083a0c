"""精运营 What happens around a model: gates, the release folder, report pages, and `show`.

Ops reads run folders as an outsider would: files only. No torch.
"""

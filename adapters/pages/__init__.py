"""A printed page back into leads: ink -> traces -> grid -> labels -> layout -> samples. Points in pt, y downwards."""

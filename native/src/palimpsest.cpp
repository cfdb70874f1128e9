namespace palimpsest {}

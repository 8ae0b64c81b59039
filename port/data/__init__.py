"""The datasets: data layers under their published names, class lists, palettes and means."""

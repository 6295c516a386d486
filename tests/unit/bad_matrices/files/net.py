# never run: the matrices that name it are refused

/** Numbers of the zip format. Source: PKWARE's APPNOTE 4.3. All of them are little endian. */

export const LOCAL_SIGNATURE = 0x04034b50;
export const CENTRAL_SIGNATURE = 0x02014b50;
export const END_SIGNATURE = 0x06054b50;

/** Bytes of each header without its name, its extra fields and its comment. */
export const LOCAL_BYTES = 30;
export const CENTRAL_BYTES = 46;
export const END_BYTES = 22;
export const COMMENT_BYTES_MAX = 0xffff;

export const STORED = 0;
export const DEFLATED = 8;

export const FLAG_ENCRYPTED = 0x0001;
export const FLAG_UTF8 = 0x0800;

/** A count or a size with this value stands for one that only zip64 can tell. */
export const COUNT_MAX = 0xffff;
export const SIZE_MAX = 0xffffffff;

/** No deflate stream grows more than this many times: three bits can stand for 258 bytes, and little less. */
export const DEFLATE_RATIO_MAX = 1032;
